import { Code } from '@mantine/core';

/** A sentence of the server's: what stands between backticks is code, and looks so. What hides in it must be made visible before. */
export function Ticked({ text }: { text: string }) {
  const parts = text.split('`');
  // One alone is a sign like any other.
  if (parts.length % 2 === 0) return <>{text}</>;
  return <>{parts.map((part, n) => (n % 2 === 0 ? part : <Code key={n}>{part}</Code>))}</>;
}
