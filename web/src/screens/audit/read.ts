import { client, unwrap } from '~/api/client';
import { ApiError, CODE } from '~/api/problem';
import type { Bytes } from './bytes';
import { NoTile, type ReadTile, tilePath } from './merkle';

/** Hashes of the log's tree, from the server. Anybody may read them: they say nothing about events one does not know. */
export const readTile: ReadTile = async (level, index, width) => {
  const buffer = await unwrap<ArrayBuffer>(
    client.GET('/audit/tile/{level}/{path}', {
      params: { path: { level, path: tilePath(index, width) } },
      // The slashes of a tile's path belong to the path.
      pathSerializer: (path, values) => path.replace('{level}', String(values['level'])).replace('{path}', String(values['path'])),
      parseAs: 'arrayBuffer',
    }),
  ).catch((error: unknown) => {
    throw error instanceof ApiError && error.code === CODE.notFound ? new NoTile() : error;
  });
  const bytes: Bytes = new Uint8Array(buffer);
  return Array.from({ length: Math.floor(bytes.length / 32) }, (_, n) => bytes.slice(n * 32, n * 32 + 32));
};
