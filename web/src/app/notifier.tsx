import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { href } from '~/lib/base';
import { titleOf } from '~/lib/text';
import { awaitingOptions } from '~/screens/runs/awaiting';

/** Whether people asked for notifications on this device; kept in the browser. */
const KEY = 'synod.notify';
export const wantsNotifications = (): boolean =>
  localStorage.getItem(KEY) === 'yes' && 'Notification' in window && Notification.permission === 'granted';

/** Turns them on or off; resolves to whether they are on. */
export async function wantNotifications(on: boolean): Promise<boolean> {
  if (!on || !('Notification' in window)) {
    localStorage.removeItem(KEY);
    return false;
  }
  const granted = (await Notification.requestPermission()) === 'granted';
  if (granted) localStorage.setItem(KEY, 'yes');
  return granted;
}

/** Tells on the desktop of each run that begins to await the caller, once. */
export function Notifier() {
  const navigate = useNavigate();
  const { data } = useQuery(awaitingOptions);
  const known = useRef<Set<string>>(undefined);
  useEffect(() => {
    if (data === undefined) return;
    const before = known.current;
    known.current = new Set(data.map((run) => run.id));
    if (before === undefined || !wantsNotifications()) return;
    for (const run of data) {
      if (before.has(run.id)) continue;
      const note = new Notification(`${run.requester} asks: ${titleOf(run)}`, {
        body: `${run.nodeCount} nodes. ${run.reason}`,
        tag: run.id,
        icon: href('icon-192.png'),
      });
      note.onclick = () => {
        window.focus();
        void navigate({ to: `/runs/${run.id}` });
      };
    }
  }, [data, navigate]);
  return null;
}
