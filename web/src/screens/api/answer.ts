/** An answer as it is shown. */
export interface Shown {
  status: number;
  words: string;
  headers: [string, string][];
  body: string;
  /** What was left out because there was too much of it, or it was stopped. */
  cut: boolean;
  tookMs: number;
}

/** So much of a body is shown; more would only stop the browser. */
export const MOST = 256 * 1024;

/** Reads a body as text, up to `most` bytes and until it is stopped; streams that never end are cut there. */
export async function read(
  response: Response,
  signal: AbortSignal,
  progress: (text: string) => void,
  most = MOST,
): Promise<{ text: string; cut: boolean }> {
  const reader = response.body?.getReader();
  if (reader === undefined) return { text: '', cut: false };
  const decoder = new TextDecoder();
  let [text, bytes, cut] = ['', 0, false];
  const stop = () => void reader.cancel().catch(() => undefined);
  signal.addEventListener('abort', stop);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      bytes += value.length;
      text += decoder.decode(value, { stream: true });
      progress(text);
      if (bytes >= most) {
        cut = true;
        stop();
        break;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
  return { text, cut: cut || signal.aborted };
}

/** JSON with indents, anything else as it is. */
export function readable(text: string, type: string): string {
  if (!/json/.test(type)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
