import { Text, type TextProps, Tooltip } from '@mantine/core';
import { useEffect, useState } from 'react';
import { exact, relative, short } from '~/lib/time';

/** A time: local and short, exact on hover. `ago` tells it from now, and keeps doing so. */
export function Time({ at, ago = false, ...props }: { at: string | null | undefined; ago?: boolean } & TextProps) {
  useMinute(ago);
  if (!at) return null;
  return (
    <Tooltip label={<span style={{ whiteSpace: 'pre-line' }}>{exact(at)}</span>}>
      <Text component="time" dateTime={at} inherit span style={{ whiteSpace: 'nowrap' }} {...props}>
        {ago ? relative(at) : short(at)}
      </Text>
    </Tooltip>
  );
}

/** Draws anew every quarter of a minute. */
function useMinute(active: boolean): void {
  const [, tick] = useState(0);
  useEffect(() => {
    if (!active) return;
    const timer = window.setInterval(() => tick((n) => n + 1), 15_000);
    return () => window.clearInterval(timer);
  }, [active]);
}
