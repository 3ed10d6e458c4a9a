import { describe, expect, it } from 'vitest';
import { fits, flat } from './fits';

const node = {
  id: 'n1',
  name: 'web-1',
  labels: { role: 'web', env: 'Prod' },
  facts: { os: 'debian', cpus: 2, disk: { root: { free_mib: 900 } }, addresses: [] },
  connected: true,
  version: '0.1.0',
  joinedAt: '2026-11-23T01:35:06.741Z',
  certificateExpiresAt: '2026-11-30T01:35:06.000Z',
  trust: { mode: 'observe', version: 1, witnessed: 3, alarm: '' },
};

describe('the search for nodes', () => {
  it('looks at name, labels and facts, every word of it', () => {
    for (const text of ['', 'WEB', 'env=prod', 'debian web-1', 'cpus=2', 'disk.root.free_mib=900'])
      expect(fits(node, text, ''), text).toBe(true);
    for (const text of ['db', 'web-1 windows']) expect(fits(node, text, ''), text).toBe(false);
  });
  it('keeps to a state', () => {
    expect(['connected', 'away', 'alarm', 'lenient', 'mistyped'].filter((show) => fits(node, '', show))).toEqual([
      'connected',
      'lenient',
      'mistyped',
    ]);
    expect(fits({ ...node, trust: { mode: 'enforce', version: 1, witnessed: 1, alarm: 'log: rollback' } }, '', 'alarm')).toBe(true);
  });
});

describe('a document as leaves', () => {
  it('has a path for each', () => {
    expect(flat(node.facts)).toEqual([
      ['os', 'debian'],
      ['cpus', '2'],
      ['disk.root.free_mib', '900'],
      ['addresses', 'none'],
    ]);
    expect(flat({})).toEqual([]);
  });
});
