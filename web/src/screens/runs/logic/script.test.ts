import { describe, expect, it } from 'vitest';
import fixture from './fixture.json';
import { filledIn, shellQuote, usesRaw } from './script';
import { visible, visibleLine } from '~/lib/text';

describe('scripts', () => {
  it('are filled in as the server fills them in', () => {
    const [restart, check, note] = fixture.manifest.steps;
    const inputs = fixture.manifest.inputs;
    expect(filledIn(restart?.run ?? '', inputs, [])?.trimEnd()).toBe(fixture.preview[0]?.script);
    expect(filledIn(check?.run ?? '', inputs, [])).toBe(fixture.preview[1]?.script);
    expect(filledIn(note?.run ?? '', inputs, [])).toBeUndefined();
  });

  it('quote values for the shell', () => {
    expect(shellQuote('a b')).toBe("'a b'");
    expect(shellQuote("it's")).toBe("'it'\\''s'");
    expect(shellQuote('')).toBe("''");
    expect(filledIn('echo {{ inputs.a }} {{inputs["b"]}} {{ inputs.s }}', { a: '$(rm)', b: true }, ['s'])).toBe(
      "echo '$(rm)' true ⟨secret s⟩",
    );
  });

  it('are left to the node where it decides', () => {
    for (const source of [
      '{% if x %}a{% endif %}',
      '{{ facts.os }}',
      '{{ inputs.a | raw }}',
      '{{ inputs.missing }}',
      '{{ inputs.list }}',
      '{{ inputs.a',
      '{# #}',
    ]) {
      expect(filledIn(source, { a: 'x', list: [1] }, [])).toBeUndefined();
    }
  });

  it('tell raw', () => {
    expect(usesRaw('echo {{ inputs.a | raw }}')).toBe(true);
    expect(usesRaw('echo {{ inputs.a }} | rawhide')).toBe(true);
    expect(usesRaw('echo raw | cat')).toBe(false);
  });
});

describe('text from elsewhere', () => {
  it('hides nothing', () => {
    expect(visible('a\u202eb\u0000c\td\n')).toBe('a⟦U+202E⟧b⟦U+0000⟧c\td\n');
    expect(visibleLine('a\nb')).toBe('a⏎b');
    expect(visible('Grüße 😀')).toBe('Grüße 😀');
  });
});
