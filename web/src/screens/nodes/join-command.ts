/** What the command that joins a machine is made of. */
export interface Joining {
  server: string;
  token: string;
  caFingerprint: string;
  name?: string;
  /** Only when a trust root is published. */
  trust?: { mode: string; root: string } | undefined;
}

/** One word of a command line, quoted when the shell would read something into it. */
export const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`);

/** The command that joins a machine, a flag to a line. */
export function joinCommand({ server, token, caFingerprint, name, trust }: Joining): string {
  const flags = [
    ['--server', server],
    ['--join-token', token],
    ['--ca-fingerprint', caFingerprint],
    ...(name ? [['--name', name]] : []),
    ...(trust && trust.mode !== 'off'
      ? [
          ['--trust', trust.mode],
          ['--trust-root', trust.root],
        ]
      : []),
  ];
  return ['synod agent', ...flags.map(([flag, value]) => `  ${flag} ${quoted(value ?? '')}`)].join(' \\\n');
}
