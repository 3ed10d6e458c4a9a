import { expect, it } from 'vitest';
import { initCommand } from './init';

it('takes the registered keys of the accounts', () => {
  expect(initCommand(['ann', 'ben'])).toBe(
    "synod trust init --root-threshold 1 \\\n  --principal ann=account \\\n  --principal ben=account \\\n  --rule 'everything:*/*:*:2:approver'",
  );
});

it('never asks for more holders than could sign', () => {
  expect(initCommand(['ann'])).toContain('--root-threshold 1 ');
  expect(initCommand([])).toContain('--root-threshold 2 ');
});
