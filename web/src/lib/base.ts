/** Where the console is served: `/`, or the prefix a proxy puts before it. Always ends with a slash. */
export const base = new URL(document.baseURI).pathname.replace(/[^/]*$/, '');

/** The nonce that the page's policy allows styles by. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';

/** The address of something on this server, for links and downloads. */
export const href = (path: string): string => base + path.replace(/^\//, '');
