import { expect, test } from 'vitest';
import { differences, placeWords } from './differences';
import type { Manifest } from './types';

const manifest = (change: object): Manifest =>
  ({
    run: 'r',
    nonce: 'n',
    reason: 'stuck',
    inputs: { service: 'web' },
    template: { name: 'restart', revision: 1, digest: 'a' },
    strategy: { type: 'rolling', size: 1, maxFailures: 0, pause: '0s', gate: 'none' },
    approval: { rules: [{ count: 1, from: { role: 'approver' } }], requesterMayApprove: false, expiresAfter: '1d' },
    steps: [{ name: 'restart', run: 'restart web' }],
    timeout: '2m',
    ...change,
  }) as unknown as Manifest;

test('the rollout and the approval differ in words, and in their parts where the words are the same', () => {
  const strategy = { type: 'oneThenRest', maxFailures: 0, pause: '1s', gate: 'none' };
  expect(differences(manifest({}), manifest({ strategy }))).toEqual([
    {
      path: 'strategy',
      before: 'rolling, 1 at a time; stops at the first failure',
      after: 'one node first, then the rest; stops at the first failure; pause of 1s between batches',
    },
  ]);
  const approval = { ...manifest({}).approval, expiresAfter: '2d' };
  expect(differences(manifest({}), manifest({ approval }))).toEqual([{ path: 'approval.expiresAfter', before: '1d', after: '2d' }]);
});

test('steps are told as an outline', () => {
  const steps = [
    { name: 'restart', run: 'sleep 1\nrestart web\n' },
    { name: 'check', run: 'check web' },
  ];
  expect(differences(manifest({}), manifest({ steps }))).toEqual([
    {
      path: 'steps',
      before: '- name: restart\n  run: restart web',
      after: '- name: restart\n  run:\n    sleep 1\n    restart web\n- name: check\n  run: check web',
    },
  ]);
});

test('places in words', () => {
  expect(
    ['reason', 'inputs.grace_s', 'strategy', 'approval.expiresAfter', 'steps[1].run', 'steps[0].expect.exitCode', 'odd.newPlace'].map(
      placeWords,
    ),
  ).toEqual(['Why', 'Input grace_s', 'How', 'Approval: expires after', 'Step 2: run', 'Step 1: expect exit code', 'odd new place']);
});
