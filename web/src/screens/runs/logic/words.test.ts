import { describe, expect, it } from 'vitest';
import { differences, nodeDifferences, outcomeDifferences } from './differences';
import fixture from './fixture.json';
import type { Manifest, RunSummary } from './types';
import { byUrgency, urgency } from './urgency';
import { batches, counts, expectation, strategy } from './words';

const manifest = fixture.manifest as unknown as Manifest;

describe('words', () => {
  it('tell strategies and batches', () => {
    expect(strategy(manifest.strategy)).toBe('one node first, then the rest; stops at the first failure; pause of 1s between batches');
    expect(strategy({ type: 'rolling', size: '10%', maxFailures: 2, pause: '0s', gate: 'manual' })).toBe(
      'rolling, 10% at a time; stops when more than 2 failed; somebody lets each further batch go',
    );
    expect(batches([1, 3, 3, 3, 2])).toBe('1, 3 × 3, 2');
    expect(batches([])).toBe('none');
  });

  it('tell outcomes and expectations', () => {
    const none = {
      waiting: 0,
      assigned: 0,
      started: 0,
      succeeded: 0,
      failed: 0,
      timedOut: 0,
      lost: 0,
      refused: 0,
      skipped: 0,
      cancelled: 0,
    };
    expect(counts({ ...none, succeeded: 1200, timedOut: 1 })).toBe('1,200 succeeded, 1 timed out');
    expect(counts(none)).toBe('none yet');
    const expected = manifest.steps[0]?.expect;
    expect(expected && expectation(expected, false)).toBe(
      'exit code 0, standard error without “did not start”; otherwise it fails and the rollout stops',
    );
  });
});

describe('differences', () => {
  it('leave out what differs in every run', () => {
    const after = {
      ...manifest,
      run: 'r2',
      nonce: 'x',
      inputs: { ...manifest.inputs, service: 'worker' },
      reason: 'why',
    } as unknown as Manifest;
    expect(differences(manifest, after)).toEqual([
      { path: 'inputs.service', before: 'web', after: 'worker' },
      { path: 'reason', before: manifest.reason, after: 'why' },
    ]);
    expect(differences(manifest, { ...manifest, runAs: 'web' })).toEqual([{ path: 'runAs', before: 'nothing', after: 'web' }]);
  });

  it('tell nodes and outcomes apart', () => {
    const [a, b, c] = ['a', 'b', 'c'].map((id) => ({ id, name: id, phase: 'succeeded', exitCode: 0 }));
    if (!a || !b || !c) throw new Error('three nodes');
    expect(nodeDifferences([a, b], [b, c])).toEqual({ gone: ['a'], added: ['c'] });
    expect(outcomeDifferences([a, b], [a, { ...b, phase: 'failed', exitCode: 1 }, c])).toEqual([
      { name: 'b', before: 'succeeded', after: 'failed', exitBefore: 0, exitAfter: 1 },
    ]);
  });
});

describe('urgency', () => {
  const now = Date.parse('2026-11-23T10:00:00Z');
  const run = (id: string, approveBy: string, more: Partial<RunSummary> = {}): RunSummary =>
    ({ id, approveBy, createdAt: approveBy, ...more }) as RunSummary;

  it('puts break-glass and what nearly expires first', () => {
    const runs = [
      run('late', '2026-11-24T10:00:00Z'),
      run('planned', '2026-11-23T20:00:00Z', { notBefore: '2026-11-25T00:00:00Z' }),
      run('now', '2026-11-23T20:00:00Z'),
      run('soon', '2026-11-23T10:30:00Z'),
      run('glass', '2026-11-23T10:15:00Z', { breakGlass: 'night' }),
    ];
    expect(byUrgency(runs, now).map(({ id }) => id)).toEqual(['glass', 'soon', 'now', 'planned', 'late']);
    expect(urgency(run('soon', '2026-11-23T10:30:00Z'), now)).toBe('soon');
  });
});
