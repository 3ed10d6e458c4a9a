import { describe, expect, it } from 'vitest';
import { ending, freeName, heldBy, readSubject, subjectKey, type Thing, toDocument } from './words';

const thing = { labels: {}, revision: 1, author: 'alice', updatedAt: '2026-11-23T00:00:00Z' };
const oncall: Thing<'groups'> = { ...thing, namespace: '', name: 'oncall', spec: { members: ['carol'] } };
const approvers: Thing<'rolebindings'> = {
  ...thing,
  namespace: 'shop',
  name: 'approvers',
  spec: { role: 'approver', subjects: [{ user: 'bob' }, { group: 'oncall' }] },
};

describe('who holds a role', () => {
  it('holds it by name or through a group', () => {
    expect(heldBy('bob', [approvers], [oncall])).toEqual([{ binding: approvers }]);
    expect(heldBy('carol', [approvers], [oncall])).toEqual([{ binding: approvers, through: 'oncall' }]);
    expect(heldBy('dave', [approvers], [oncall])).toEqual([]);
  });

  it('reads back what stands in the address', () => {
    for (const subject of [{ user: 'a:b' }, { group: 'oncall' }]) expect(readSubject(subjectKey(subject))).toEqual(subject);
    expect(readSubject('role:owner')).toBeUndefined();
    expect(readSubject(undefined)).toBeUndefined();
  });
});

describe('the end of a role', () => {
  const now = Date.parse('2026-11-23T00:00:00Z');
  it.each([
    [undefined, 'never'],
    ['2026-11-22T23:59:59Z', 'ended'],
    ['2026-11-23T00:00:00Z', 'ended'],
    ['2026-11-30T00:00:00Z', 'soon'],
    ['2026-11-30T00:00:01Z', 'later'],
  ])('%s is %s', (expires, expected) => expect(ending(expires, now)).toBe(expected));
});

describe('names', () => {
  it('is free and well formed', () => {
    expect(freeName('Erin Approver!', [])).toBe('erin-approver');
    expect(freeName('a', ['a', 'a-2'])).toBe('a-3');
    expect(freeName('x'.repeat(80), []).length).toBeLessThanOrEqual(63);
    expect(freeName(`${'x'.repeat(57)}-y`, [])).not.toMatch(/-$/);
  });

  it('leaves out what is empty', () => {
    expect(toDocument('Group', 'g', {}, { labels: {}, namespace: '' }).metadata).toEqual({ name: 'g' });
  });
});
