import { describe, expect, it } from 'vitest';
import { allowedAt, endingRoles, gathered, INSTALLATION, type Matrix, peopleOf, placesOf } from './may-words';

const matrix: Matrix = {
  actions: [
    { name: 'run.request', words: 'request runs', global: false },
    { name: 'run.approve', words: 'approve and reject runs', global: false },
    { name: 'node.read', words: 'see nodes', global: true },
  ],
  namespaces: ['shop', 'lab'],
  people: [
    {
      user: 'dan',
      serviceAccount: false,
      enabled: true,
      groups: ['oncall'],
      roles: [
        { role: 'approver', namespace: 'shop', expires: '2027-01-01T00:00:00Z', binding: 'cover' },
        { role: 'viewer', binding: 'all' },
      ],
      may: { shop: ['run.approve', 'run.request'], '*': ['node.read', 'run.request'] },
    },
    { user: 'dana', displayName: 'Dana', serviceAccount: false, enabled: true, groups: [], roles: [], may: {} },
  ],
};
const [dan, dana] = matrix.people as [Matrix['people'][number], Matrix['people'][number]];

describe('what somebody may', () => {
  it('is told by place: what is about the installation only there', () => {
    expect(allowedAt(dan, matrix.actions, 'shop').map((one) => one.name)).toEqual(['run.request', 'run.approve']);
    expect(allowedAt(dan, matrix.actions, INSTALLATION).map((one) => one.name)).toEqual(['node.read']);
    expect(allowedAt(dan, matrix.actions, 'lab')).toEqual([]);
    expect(allowedAt(dana, matrix.actions, 'shop')).toEqual([]);
  });

  it('is gathered by what it is about', () => {
    expect(gathered(matrix.actions)).toEqual([
      { noun: 'run', verbs: ['request', 'approve'] },
      { noun: 'node', verbs: ['read'] },
    ]);
    const named = (name: string) => ({ name, words: '', global: true });
    expect(gathered([named('join-token.read'), named('rolebinding.read-all'), named('run.break-glass')])).toEqual([
      { noun: 'join token', verbs: ['read'] },
      { noun: 'role binding', verbs: ['read all'] },
      { noun: 'run', verbs: ['break-glass'] },
    ]);
  });

  it('ends with the roles that end there', () => {
    expect(endingRoles(dan, 'shop').map((role) => role.binding)).toEqual(['cover']);
    expect(endingRoles(dan, 'lab')).toEqual([]);
  });
});

describe('filters', () => {
  it('show the places an action is about', () => {
    expect(placesOf(matrix, {})).toEqual([INSTALLATION, 'shop', 'lab']);
    expect(placesOf(matrix, { action: 'node.read', namespace: 'shop' })).toEqual([INSTALLATION]);
    expect(placesOf(matrix, { action: 'run.request' })).toEqual(['shop', 'lab']);
    expect(placesOf(matrix, { namespace: 'lab' })).toEqual(['lab']);
    expect(placesOf({ ...matrix, people: [dana] }, {})).toEqual(['shop', 'lab']);
  });

  it('find people by part of a name, or one exactly', () => {
    expect(peopleOf(matrix, 'Dan')).toEqual([dan]);
    expect(peopleOf(matrix, 'da')).toEqual([dan, dana]);
    expect(peopleOf(matrix, 'oncall')).toEqual([dan]);
    expect(peopleOf(matrix, undefined)).toEqual([dan, dana]);
  });
});
