/** Passkeys by the browser's own interface: the server's words in, the server's words out, plain words when it fails. */

import { ApiError } from '~/api/problem';

/** A passkey's answer to a challenge, each part in base64url, as the API and the trust root take it. */
export interface Assertion {
  credentialId: string;
  authenticatorData: string;
  clientDataJSON: string;
  signature: string;
}

/** A new passkey, each part in base64url, as `POST /api/v1/auth/passkeys` takes it. */
export interface Creation {
  credentialId: string;
  authenticatorData: string;
  clientDataJSON: string;
  transports: string[];
}

/** What the server says a new passkey is to be. */
export interface CreationOptions {
  challenge: string;
  rp: { id: string; name: string };
  user: { id: string; name: string; displayName: string };
  algorithms: number[];
  exclude: string[];
}

export type PasskeyFailure = 'unsupported' | 'address' | 'site' | 'cancelled' | 'exists' | 'failed';

/** Why there is no passkey, told like any other problem. */
export class PasskeyError extends ApiError {
  constructor(
    readonly why: PasskeyFailure,
    title: string,
    detail: string,
    remedy: string,
  ) {
    super({
      type: 'about:blank',
      title,
      status: 400,
      detail,
      code: 'passkey',
      remedy,
    });
  }
}

/** Bytes as base64url without padding. */
export function toBase64url(bytes: ArrayBuffer | Uint8Array): string {
  let text = '';
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** The bytes of base64url text, with or without padding. */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (char) => char.charCodeAt(0));
}

const ADDRESS = /^(\[.*\]|\d+\.\d+\.\d+\.\d+)$/;

/** Whether a host is given by its address; there is no passkey for those. */
export const isAddress = (host: string): boolean => ADDRESS.test(host);

/** Whether this browser knows passkeys, and the page came in a way that allows them. */
export const canPasskeys = (): boolean => typeof PublicKeyCredential === 'function' && window.isSecureContext;

/** Whether the browser can offer passkeys in the list that a text field drops down. */
export async function canAutofill(): Promise<boolean> {
  if (!canPasskeys() || !('isConditionalMediationAvailable' in PublicKeyCredential)) return false;
  return PublicKeyCredential.isConditionalMediationAvailable().catch(() => false);
}

/** Why passkeys for the site `rpId` are not possible on a page from `host`; `undefined` when they are. */
export function obstacle(host: string, rpId?: string): PasskeyError | undefined {
  if (isAddress(host)) {
    return new PasskeyError(
      'address',
      'Passkeys need a name',
      `The console is open at the address ${host}; browsers keep passkeys for names only.`,
      rpId === undefined || isAddress(rpId) ? 'Open the console by the name of the server.' : `Open the console at ${rpId}.`,
    );
  }
  if (rpId !== undefined && host !== rpId && !host.endsWith(`.${rpId}`)) {
    return new PasskeyError(
      'site',
      'Passkeys are for another name',
      `The console is open at ${host}; its passkeys are for ${rpId}.`,
      `Open the console at ${rpId}.`,
    );
  }
  return undefined;
}

function ready(rpId: string): void {
  const obstructed = obstacle(location.hostname, rpId);
  if (obstructed) throw obstructed;
  if (canPasskeys()) return;
  throw new PasskeyError(
    'unsupported',
    'No passkeys here',
    'This browser knows no passkeys, or the page did not come by https.',
    'Use a current browser, and open the console by https.',
  );
}

/** Makes plain words of what the browser threw. */
export function toPasskeyError(cause: unknown, host: string, rpId: string): unknown {
  const name = typeof cause === 'object' && cause !== null && 'name' in cause ? cause.name : '';
  switch (name) {
    case 'NotAllowedError':
    case 'AbortError':
      return new PasskeyError(
        'cancelled',
        'No passkey was used',
        'It was cancelled, took too long, or no passkey for this site is on this device.',
        'Try again.',
      );
    case 'InvalidStateError':
      return new PasskeyError(
        'exists',
        'This device has one already',
        'The authenticator holds a passkey of this account already.',
        'Use that one, or take another device or security key.',
      );
    case 'SecurityError':
      return (
        obstacle(host, rpId) ??
        new PasskeyError(
          'site',
          'The browser does not allow passkeys here',
          `It does not trust the connection to ${host}.`,
          'Install the certificate of the authority that signed the server’s, or open the console by its configured name.',
        )
      );
    case 'NotSupportedError':
    case 'ConstraintError':
      return new PasskeyError(
        'unsupported',
        'The authenticator cannot do this',
        'It has no way to check who you are (PIN, finger or face), or none of the signatures that are taken.',
        'Set a PIN on it, or take another one.',
      );
    default:
      if (cause instanceof PasskeyError) return cause;
      return new PasskeyError('failed', 'The passkey failed', cause instanceof Error ? cause.message : String(cause), 'Try again.');
  }
}

const descriptor = (id: string): PublicKeyCredentialDescriptor => ({
  type: 'public-key',
  id: fromBase64url(id),
});

/** Makes a passkey on this device or a security key. Throws `PasskeyError`. */
export async function createPasskey(options: CreationOptions): Promise<Creation> {
  ready(options.rp.id);
  try {
    const credential = await navigator.credentials.create({
      publicKey: {
        challenge: fromBase64url(options.challenge),
        rp: options.rp,
        user: {
          ...options.user,
          id: fromBase64url(options.user.id),
          displayName: options.user.displayName || options.user.name,
        },
        pubKeyCredParams: options.algorithms.map((alg) => ({
          type: 'public-key',
          alg,
        })),
        excludeCredentials: options.exclude.map(descriptor),
        authenticatorSelection: {
          residentKey: 'required',
          requireResidentKey: true,
          userVerification: 'required',
        },
        attestation: 'none',
        timeout: 120_000,
      },
    });
    const { rawId, response } = credential as PublicKeyCredential & {
      response: AuthenticatorAttestationResponse;
    };
    return {
      credentialId: toBase64url(rawId),
      authenticatorData: toBase64url(response.getAuthenticatorData()),
      clientDataJSON: toBase64url(response.clientDataJSON),
      transports: response.getTransports(),
    };
  } catch (cause) {
    throw toPasskeyError(cause, location.hostname, options.rp.id);
  }
}

/** What a passkey is asked; `allow` are the credential ids that may answer, any when empty. */
export interface AssertionOptions {
  challenge: string;
  rpId: string;
  allow?: string[];
  /** Offers passkeys in the list under a text field instead of a dialog. */
  conditional?: boolean;
  /** Ends the question. */
  signal?: AbortSignal;
}

/** Has a passkey answer a challenge; the authenticator checks who is there. Throws `PasskeyError`. */
export async function assertPasskey({ challenge, rpId, allow = [], conditional = false, signal }: AssertionOptions): Promise<Assertion> {
  ready(rpId);
  try {
    const credential = await navigator.credentials.get({
      publicKey: {
        challenge: fromBase64url(challenge),
        rpId,
        allowCredentials: allow.map(descriptor),
        userVerification: 'required',
        timeout: 120_000,
      },
      ...(conditional && { mediation: 'conditional' }),
      ...(signal && { signal }),
    });
    const { rawId, response } = credential as PublicKeyCredential & {
      response: AuthenticatorAssertionResponse;
    };
    return {
      credentialId: toBase64url(rawId),
      authenticatorData: toBase64url(response.authenticatorData),
      clientDataJSON: toBase64url(response.clientDataJSON),
      signature: toBase64url(response.signature),
    };
  } catch (cause) {
    throw toPasskeyError(cause, location.hostname, rpId);
  }
}
