import { expect, test } from 'vitest';
import { chips, labelsOfNode } from './nodes';
import { agreement, asTemplate, finds, labelled, labelsOf, where } from './words';

const template = (spec: object, labels: Record<string, string> = {}) =>
  asTemplate({
    apiVersion: 'synod/v1',
    kind: 'Template',
    metadata: { namespace: 'shop', name: 'restart', labels },
    spec: { title: 'Restart it', approval: { rules: [] }, steps: [], ...spec } as never,
  });

test('where, in words', () => {
  expect(where(template({}).spec)).toBe('any node');
  expect(where(template({ targets: { selector: 'role=web', exclude: 'env=lab', min: 1, max: 50 } }).spec)).toBe(
    'nodes with role=web, never env=lab; 1 to 50 of them',
  );
  expect(where(template({ targets: { selector: '', min: 3, max: 3 } }).spec)).toBe('any node; exactly 3 of them');
});

test('who must agree, in words', () => {
  expect(agreement(template({}).spec)).toBe('nobody has to approve');
  expect(
    agreement(
      template({
        approval: {
          rules: [
            { count: 1, from: { role: 'approver' } },
            { count: 1, from: { group: 'oncall' } },
          ],
        },
      }).spec,
    ),
  ).toBe('2 people: 1 of the approvers and 1 of group oncall');
  expect(agreement(template({ approval: { rules: [{ count: 1, from: { user: 'bob' } }] } }).spec)).toBe('1 person: bob');
});

test('found by words and labels', () => {
  const one = template({}, { team: 'a=b' });
  expect(finds(one, 'RESTART team=')).toBe(true);
  expect(finds(one, 'restart now')).toBe(false);
  expect(labelled(one, ['team=a=b'])).toBe(true);
  expect(labelled(one, ['team=x'])).toBe(false);
  expect(labelsOf([one, template({}, { x: 'y' }), template({}, { x: 'y' })])).toEqual(['x=y', 'team=a=b']);
});

test('labels that tell nodes apart', () => {
  const nodes = [
    { name: 'a', labels: { role: 'web', env: 'prod' }, facts: { os: 'debian', disks: [] } as never },
    { name: 'b', labels: { role: 'web', env: 'test' }, facts: {} as never },
  ].map(labelsOfNode);
  expect(nodes[0]).toEqual({ role: 'web', env: 'prod', name: 'a', 'fact/os': 'debian' });
  expect(chips(nodes)).toEqual([
    [
      'env',
      [
        ['prod', 1],
        ['test', 1],
      ],
    ],
  ]);
});
