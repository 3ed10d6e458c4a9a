import { describe, expect, it } from 'vitest';
import { changes, narrowed, readLabels } from './labels';

describe('labels', () => {
  it('reads them, one or several to a line', () => {
    expect(readLabels('role=web, zone = a\nenv=').labels).toEqual({ role: 'web', zone: 'a', env: '' });
    expect(readLabels('')).toEqual({ labels: {} });
    expect(readLabels('a=b=c').labels).toEqual({ a: 'b=c' });
  });
  it('says what it cannot read', () => {
    expect(readLabels('role').wrong).toContain('“role” is not a label');
    expect(readLabels('=web').wrong).toContain('KEY=VALUE');
    expect(readLabels('a=1,a=2').wrong).toContain('twice');
  });
  it('sends only what differs', () => {
    expect(changes({ a: '1', b: '2', c: '3' }, { a: '1', b: 'x', d: '' })).toEqual({ b: 'x', c: null, d: '' });
  });
  it('adds a condition once', () => {
    expect(narrowed('', 'role=web')).toBe('role=web');
    expect(narrowed('zone in (a,b), env!=dev', 'role=web')).toBe('zone in (a,b),env!=dev,role=web');
    expect(narrowed('role=web,env=prod', 'role=web')).toBe('role=web,env=prod');
  });
});
