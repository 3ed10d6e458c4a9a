import type { paths } from '~/api/schema';
import type { HeldRole } from './words';

export type Matrix = paths['/api/v1/access/matrix']['get']['responses'][200]['content']['application/json'];
export type Person = Matrix['people'][number];
export type Action = Matrix['actions'][number];

/** The name of the place that is the installation as a whole. */
export const INSTALLATION = '*';
/** How a place is called. */
export const placeName = (place: string): string => (place === INSTALLATION ? 'the installation' : place);

/** The actions that are about a place: those of the installation, or those of a namespace. */
export const actionsAt = (actions: Action[], place: string): Action[] =>
  actions.filter((action) => action.global === (place === INSTALLATION));

/** What somebody may do at a place, in the order of the actions. */
export function allowedAt(person: Person, actions: Action[], place: string): Action[] {
  const may = new Set(person.may[place] ?? []);
  return actionsAt(actions, place).filter((action) => may.has(action.name));
}

/** `join-token` as people write it. */
const words = (name: string): string => ({ rolebinding: 'role binding', 'break-glass': 'break-glass' })[name] ?? name.replaceAll('-', ' ');

/** Actions gathered by what they are about: `run: request, approve`. */
export function gathered(actions: Action[]): { noun: string; verbs: string[] }[] {
  const found: { noun: string; verbs: string[] }[] = [];
  for (const { name } of actions) {
    const dot = name.indexOf('.');
    const [noun, verb] = (dot < 0 ? [name, name] : [name.slice(0, dot), name.slice(dot + 1)]).map(words) as [string, string];
    const known = found.find((one) => one.noun === noun);
    if (known) known.verbs.push(verb);
    else found.push({ noun, verbs: [verb] });
  }
  return found;
}

/** The roles that count at a place and end. */
export const endingRoles = (person: Person, place: string): HeldRole[] =>
  person.roles.filter((role) => role.expires && (!role.namespace || role.namespace === place));

/** The places to show: the installation where its actions are asked for, and the namespaces. */
export function placesOf(matrix: Matrix, by: { namespace?: string; action?: string }): string[] {
  const action = matrix.actions.find((one) => one.name === by.action);
  const namespaces = matrix.namespaces.filter((name) => !by.namespace || name === by.namespace);
  // Not everybody is told what is about the installation.
  const installation = matrix.people.some((person) => INSTALLATION in person.may) ? [INSTALLATION] : [];
  if (action) return action.global ? installation : namespaces;
  return by.namespace ? namespaces : [...installation, ...namespaces];
}

/** The people to show: by a part of their name; with an action, all, so that who may not is seen as well. */
export function peopleOf(matrix: Matrix, person: string | undefined): Person[] {
  const q = (person ?? '').toLowerCase();
  const fits = matrix.people.filter(
    (one) => one.user.includes(q) || (one.displayName ?? '').toLowerCase().includes(q) || one.groups.includes(q),
  );
  // Who is named exactly is meant, even where others' names contain it.
  const exact = fits.filter((one) => one.user === q);
  return exact.length > 0 ? exact : fits;
}
