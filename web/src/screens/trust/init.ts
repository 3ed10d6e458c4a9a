/** The command that drafts the first root from the keys that accounts have registered; with examples where nobody is known. */
export function initCommand(people: string[]): string {
  const names = people.length > 0 ? people : ['alice', 'bob', 'carol'];
  const threshold = Math.max(1, Math.min(2, names.length - 1));
  const principals = names.slice(0, 8).map((name) => `  --principal ${name}=account \\`);
  return [`synod trust init --root-threshold ${threshold} \\`, ...principals, "  --rule 'everything:*/*:*:2:approver'"].join('\n');
}
