/** What can be said of a pasted key before it is sent; `undefined` when it looks right. The server checks it for real. */
export function wrongWith(line: string): string | undefined {
  const text = line.trim();
  if (text === '') return 'Paste the line of the .pub file.';
  if (text.includes('PRIVATE KEY')) return 'This is a private key. Keep it to yourself, and paste the line of the file that ends in .pub.';
  if (text.includes('\n')) return 'One key at a time: one line.';
  return undefined;
}

/** The comment of an OpenSSH public key line, which often says whose it is and where. */
export const commentOf = (line: string): string => line.trim().split(/\s+/).slice(2).join(' ').slice(0, 100);
