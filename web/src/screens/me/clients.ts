// Later ones call themselves like earlier ones, so the order matters.
const BROWSERS: [RegExp, string][] = [
  [/^synod\//, 'synod'],
  [/\bEdgA?\/(\d+)/, 'Edge'],
  [/\bOPR\/(\d+)/, 'Opera'],
  [/\bFirefox\/(\d+)|\bFxiOS\/(\d+)/, 'Firefox'],
  [/\b(?:Headless)?Chrom(?:e|ium)\/(\d+)|\bCriOS\/(\d+)/, 'Chrome'],
  [/\bVersion\/(\d+).*Safari\//, 'Safari'],
  [/^curl\//, 'curl'],
];
const SYSTEMS: [RegExp, string][] = [
  [/iPhone/, 'iPhone'],
  [/iPad/, 'iPad'],
  [/Android/, 'Android'],
  [/Windows/, 'Windows'],
  [/Mac OS X|Macintosh/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Linux/, 'Linux'],
];

/** What a client called itself, in words people know: `Firefox 140 on Linux`. What nobody knows stays as it is. */
export function clientName(agent: string): string {
  const system = SYSTEMS.find(([sign]) => sign.test(agent))?.[1];
  for (const [sign, name] of BROWSERS) {
    const found = sign.exec(agent);
    if (!found) continue;
    const version = found.slice(1).find((group) => group !== undefined);
    return [name, version, system && `on ${system}`].filter(Boolean).join(' ');
  }
  return agent.trim() || 'an unnamed client';
}
