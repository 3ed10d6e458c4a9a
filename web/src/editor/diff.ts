/** The two sides of a unified diff, as far as it tells them: what was, and what will be. */
export function sides(diff: string): { before: string; after: string } {
  const before: string[] = [];
  const after: string[] = [];
  let first = true;
  for (const line of diff.replace(/\n$/, '').split('\n')) {
    const content = line.slice(1);
    if (line.startsWith('@@')) {
      if (!first) {
        before.push('…');
        after.push('…');
      }
      first = false;
    } else if (line.startsWith('-')) before.push(content);
    else if (line.startsWith('+')) after.push(content);
    else if (!line.startsWith('\\')) {
      before.push(content);
      after.push(content);
    }
  }
  return { before: before.join('\n'), after: after.join('\n') };
}
