import { Anchor, Stack, Text, Title } from '@mantine/core';
import { IconCode } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ApiDocument, documentOptions } from '~/api/document';
import { Empty } from '~/components/empty';
import { SearchFilter, useFilters } from '~/components/filters';
import { AnchorLink } from '~/components/links';
import { Loading } from '~/components/loading';
import { Page } from '~/components/page';
import { ProblemView } from '~/components/problem';
import { Ticked } from '~/components/ticked';
import { href } from '~/lib/base';
import classes from './api.module.css';
import { OperationView } from './operation';
import { byTag, found, operations } from './operations';

/** The API as the server describes it itself: to read, and to try. */
export default function Api() {
  const document = useQuery(documentOptions);
  const about = (
    <>
      Everything the console does goes through this API. Scripts use it with an API key from{' '}
      <AnchorLink to="/me" size="sm" underline="always">
        Me
      </AnchorLink>
      . The whole description:{' '}
      <Anchor href={href('openapi.json')} size="sm" underline="always">
        openapi.json
      </Anchor>
      .
    </>
  );
  return (
    <Page title="API" about={about}>
      {document.error !== null && <ProblemView error={document.error} retry={() => void document.refetch()} />}
      {document.isPending && <Loading />}
      {document.data && <Described document={document.data} />}
    </Page>
  );
}

function Described({ document }: { document: ApiDocument }) {
  const [filters, change] = useFilters<'q' | 'operation'>();
  const search = filters.q ?? '';
  const all = operations(document);
  const listed = found(all, search);
  const chosen = all.find((one) => one.id === filters.operation);
  return (
    <div className={classes.frame}>
      <nav className={classes.list} data-chosen={chosen ? true : undefined} aria-label="Operations">
        <SearchFilter label="Search" placeholder="Path, word or method" value={search} change={(q) => change({ q })} mb="sm" />
        {listed.length === 0 && (
          <Text size="sm" c="dimmed">
            No operation contains “{search}”.
          </Text>
        )}
        {byTag(listed).map(([tag, ones]) => (
          <Stack key={tag} gap={0} mb="sm">
            <Title order={2} size="h6" c="dimmed" px={10} py={4}>
              {tag}
            </Title>
            {ones.map((one) => (
              <Link
                key={one.id}
                to="/api"
                search={{ ...(search && { q: search }), operation: one.id }}
                className={classes.entry ?? ''}
                aria-current={one.id === chosen?.id ? 'true' : undefined}
              >
                <Text size="sm">
                  <Ticked text={one.operation.summary ?? one.id} />
                </Text>
                <span className={classes.method}>{one.method.toUpperCase()}</span> <span className={classes.path}>{one.path}</span>
              </Link>
            ))}
          </Stack>
        ))}
      </nav>
      {chosen ? (
        <OperationView key={chosen.id} listed={chosen} document={document} back={() => change({ operation: '' })} />
      ) : (
        <Stack visibleFrom="md">
          <Empty icon={IconCode} title="Choose an operation">
            {all.length} operations, version {document.info.version}. Each shows what it takes and answers, and can be tried as the one who
            is signed in.
          </Empty>
        </Stack>
      )}
    </div>
  );
}
