/** Label queries as the server reads them: `role=web,env!=dev,zone in (a,b),!draining`. */
export interface Requirement {
  key: string;
  test: 'in' | 'notin' | 'exists' | 'absent';
  values: string[];
}

const WORD = /^[A-Za-z0-9\-_./]+/;

/** The requirements of a query, or the column at which it cannot be read. */
export function parse(text: string): Requirement[] | { column: number } {
  const found: Requirement[] = [];
  let at = 0;
  const space = () => {
    at += /^\s*/.exec(text.slice(at))?.[0].length ?? 0;
  };
  const eat = (token: string): boolean => {
    space();
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const word = (): string | undefined => {
    space();
    const got = WORD.exec(text.slice(at))?.[0];
    at += got?.length ?? 0;
    return got;
  };
  space();
  if (at === text.length) return found;
  for (;;) {
    const absent = eat('!');
    const key = word();
    if (key === undefined) return { column: at + 1 };
    if (absent) found.push({ key, test: 'absent', values: [] });
    else if (eat('!=')) {
      const value = word();
      if (value === undefined) return { column: at + 1 };
      found.push({ key, test: 'notin', values: [value] });
    } else if (eat('==') || eat('=')) {
      const value = word();
      if (value === undefined) return { column: at + 1 };
      found.push({ key, test: 'in', values: [value] });
    } else {
      const before = at;
      const operator = word();
      if (operator === 'in' || operator === 'notin') {
        if (!eat('(')) return { column: at + 1 };
        const values: string[] = [];
        do {
          const value = word();
          if (value === undefined) return { column: at + 1 };
          values.push(value);
        } while (eat(','));
        if (!eat(')')) return { column: at + 1 };
        found.push({ key, test: operator, values });
      } else if (operator === undefined) found.push({ key, test: 'exists', values: [] });
      else return { column: before + 1 };
    }
    space();
    if (at === text.length) return found;
    if (!eat(',')) return { column: at + 1 };
  }
}

/** The same as text. */
export function format(requirements: readonly Requirement[]): string {
  return requirements
    .map(({ key, test, values }) => {
      if (test === 'exists') return key;
      if (test === 'absent') return `!${key}`;
      if (values.length === 1) return `${key}${test === 'in' ? '=' : '!='}${values[0]}`;
      return `${key} ${test} (${values.join(',')})`;
    })
    .join(',');
}

/** Whether labels meet a query. As on the server, `!=` also holds where the label is absent. */
export function matches(requirements: readonly Requirement[], labels: Readonly<Record<string, string>>): boolean {
  return requirements.every(({ key, test, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (test === 'in') return value !== undefined && values.includes(value);
    if (test === 'notin') return value === undefined || !values.includes(value);
    return (value !== undefined) === (test === 'exists');
  });
}

/** Whether a value of a label is asked for. */
export const asked = (requirements: readonly Requirement[], key: string, value: string): boolean =>
  requirements.some((one) => one.key === key && one.test === 'in' && one.values.includes(value));

/** Asks for a value of a label as well, or no more. A text that cannot be read begins anew. */
export function toggle(text: string, key: string, value: string): string {
  const read = parse(text);
  const requirements = Array.isArray(read) ? read : [];
  const here = requirements.find((one) => one.key === key && one.test === 'in');
  if (!here) return format([...requirements, { key, test: 'in', values: [value] }]);
  const values = here.values.includes(value) ? here.values.filter((one) => one !== value) : [...here.values, value];
  return format(
    requirements
      .map((one) => (one === here ? { ...one, values } : one))
      .filter((one) => one.test === 'exists' || one.test === 'absent' || one.values.length > 0),
  );
}
