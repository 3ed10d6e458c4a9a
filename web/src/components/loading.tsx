import { Center, Loader, VisuallyHidden } from '@mantine/core';

/** Something is on its way. */
export function Loading() {
  return (
    <Center mih={160} role="status">
      <Loader type="dots" />
      <VisuallyHidden>Loading</VisuallyHidden>
    </Center>
  );
}
