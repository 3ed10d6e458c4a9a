import { notifications } from '@mantine/notifications';

/** Says briefly that something went well. */
export const told = (message: string): void => {
  notifications.show({ color: 'teal', message, closeButtonProps: { 'aria-label': 'Close' } });
};
