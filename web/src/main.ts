import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './app/global.css';
import { askEarly } from './api/early';
import { screenAt } from './app/screens';
import { base } from './lib/base';

// The screen, and what is read before any, come beside the frame instead of after it. Where that fails, they are asked for again.
const screen = screenAt(location.pathname.slice(base.length - 1));
if (screen?.door === false) {
  askEarly('api/v1/auth/whoami');
  askEarly('api/v1/events?newest=true&limit=1');
}
screen?.load().catch(() => undefined);
void import('./app/frame');
