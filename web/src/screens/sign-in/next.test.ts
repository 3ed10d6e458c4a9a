import { describe, expect, it } from 'vitest';
import { safeNext } from './next';

describe('where signing in leads', () => {
  it('goes back to a place of the console', () => {
    expect(safeNext('/runs/abc?node=web-1#output')).toBe('/runs/abc?node=web-1#output');
    expect(safeNext('/')).toBe('/');
    expect(safeNext('/history?since=2026-01-01')).toBe('/history?since=2026-01-01');
  });

  it('goes to the inbox when nothing is asked for, or the doors themselves', () => {
    expect(safeNext(undefined)).toBe('/');
    expect(safeNext('')).toBe('/');
    expect(safeNext('/sign-in?next=/sign-in')).toBe('/');
    expect(safeNext('/setup')).toBe('/');
    expect(safeNext('/setups')).toBe('/setups');
  });

  it.each([
    'https://evil.example',
    '//evil.example',
    '/\\evil.example',
    '\\\\evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '\t//evil.example',
    ' //evil.example',
    '/.//evil.example',
    '/x/..//evil.example',
    '/%2e//evil.example',
    'javascript:alert(1)',
    'data:text/html,x',
    'runs',
    '/\\/evil.example',
    '///evil.example',
    '//console.invalid/x',
  ])('never leaves: %j', (next) => {
    const to = safeNext(next);
    expect(new URL(to, 'https://here.example').origin).toBe('https://here.example');
    expect(to.startsWith('/') && !to.startsWith('//')).toBe(true);
  });
});
