import { PasswordInput, type PasswordInputProps } from '@mantine/core';

const EYE = 36;

/** A field for a password, with an eye that is big enough for thumbs and reached by the keyboard. */
export function PasswordField({ eye = 'Show what is typed', ...props }: PasswordInputProps & { eye?: string }) {
  return (
    <PasswordInput
      rightSectionWidth={EYE + 4}
      visibilityToggleButtonProps={{ 'aria-label': eye, tabIndex: 0, style: { width: EYE, height: EYE, minWidth: EYE } }}
      // What other fields tell by themselves.
      aria-invalid={Boolean(props.error) || undefined}
      {...props}
    />
  );
}
