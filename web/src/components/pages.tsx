import { Button, Center, Text } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

/** What a page of a list looks like, whatever is in it. */
interface Answer<T> {
  items: T[];
  next?: string | null;
}

/**
 * A list that comes page by page. The key begins like that of every other read of `path`, so that events make it stale as well;
 * `read` gets the cursor of the page to read, none for the first.
 */
export function usePages<T>(
  path: string,
  query: object,
  read: (cursor: string | undefined, signal: AbortSignal) => Promise<Answer<T>>,
  options: { enabled?: boolean } = {},
) {
  const found = useInfiniteQuery({
    queryKey: ['get', path, { pages: query }],
    queryFn: ({ pageParam, signal }) => read(pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next ?? undefined,
    ...options,
  });
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  return { ...found, items };
}

/** Asks for the next page, and says how much is shown. */
export function More({
  shown,
  what,
  more,
  busy,
  next,
  children,
}: {
  shown: number;
  what: string;
  more: boolean;
  busy: boolean;
  next: () => void;
  children?: ReactNode;
}) {
  if (!more) {
    return (
      <Text size="sm" c="dimmed" ta="center" py="sm">
        {children ?? `${shown} ${what}; that is all.`}
      </Text>
    );
  }
  return (
    <Center py="sm">
      <Button variant="default" onClick={next} loading={busy}>
        Load more ({shown} shown)
      </Button>
    </Center>
  );
}
