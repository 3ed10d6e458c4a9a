const HERE = 'https://console.invalid';

/**
 * Where to go after signing in: `next` when it is a place of the console, else the inbox. It comes from the address, which anybody
 * may have written, so it is read as browsers read it: `//elsewhere`, `/\elsewhere` and tabs in between lead to another site.
 */
export function safeNext(next: string | undefined): string {
  if (!next?.startsWith('/') || !URL.canParse(next, HERE)) return '/';
  const url = new URL(next, HERE);
  const door = /^\/(sign-in|setup)(\/|$)/.test(url.pathname);
  if (url.origin !== HERE || url.pathname.startsWith('//') || door) return '/';
  return url.pathname + url.search + url.hash;
}
