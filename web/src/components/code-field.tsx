import { TextInput, type TextInputProps } from '@mantine/core';

const DIGITS = 6;

/** The six digits an authenticator shows, in one field, so that they can be pasted and filled in; `done` is called with the last. */
export function CodeField({
  value,
  change,
  done,
  ...props
}: { value: string; change: (value: string) => void; done: (code: string) => void } & Omit<TextInputProps, 'value' | 'onChange'>) {
  return (
    <TextInput
      label="Code"
      description="The six digits of your authenticator"
      inputMode="numeric"
      autoComplete="one-time-code"
      spellCheck={false}
      size="md"
      maw={300}
      styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)', letterSpacing: '0.3em', fontSize: 20 } }}
      {...props}
      value={value}
      onChange={(event) => {
        const code = event.currentTarget.value.replace(/\D/g, '').slice(0, DIGITS);
        change(code);
        if (code.length === DIGITS && code !== value) done(code);
      }}
    />
  );
}

/** Whether a code has all of its digits. */
export const isWholeCode = (code: string): boolean => code.length === DIGITS;
