import { describe, expect, it } from 'vitest';
import { SCREENS, screenAt } from './screens';

describe('the screen at an address', () => {
  it.each([
    ['/', '/'],
    ['/runs', '/runs'],
    ['/runs/', '/runs'],
    ['/runs/r-1', '/runs/$id'],
    ['/runs/r-1/compare/r-2', '/runs/$id/compare/$other'],
    ['/templates/shop/restart-service', '/templates/$namespace/$name'],
    ['/sign-in', '/sign-in'],
  ] as const)('%s is that of %s', (path, pattern) => {
    expect(screenAt(path)?.load).toBe(SCREENS[pattern]);
  });

  it.each(['/nowhere', '/runs/r-1/compare', '/runs//compare/r-2', '', '/catalogue/shop'])('%s has none', (path) => {
    expect(screenAt(path)).toBeUndefined();
  });

  it('tells the doors from what one has to be signed in for', () => {
    const doors = Object.keys(SCREENS).filter((path) => screenAt(path)?.door);
    expect(doors).toEqual(['/sign-in', '/setup']);
  });
});
