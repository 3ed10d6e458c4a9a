import { type CSSVariablesResolver, createTheme } from '@mantine/core';

const system = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', Ubuntu, Cantarell, sans-serif";

/** What lies over a page has a heading too. */
const title = { fontWeight: 650 };

/** White text on it is readable: 4.5:1 from the sixth shade on. */
const red = ['#fff5f5', '#ffe3e3', '#ffc9c9', '#ffa8a8', '#ff8787', '#f25555', '#dc2f2f', '#c92a2a', '#b02525', '#962020'] as const;

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: { light: 7, dark: 7 },
  autoContrast: true,
  colors: { red },
  fontFamily: system,
  headings: { fontFamily: system, fontWeight: '650' },
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, 'Cascadia Mono', 'Liberation Mono', Menlo, monospace",
  defaultRadius: 'md',
  cursorType: 'pointer',
  components: {
    // Thumbs need room: nothing to press is below 36 px, and on a phone below 44 (global.css).
    Button: { defaultProps: { size: 'sm' } },
    Tooltip: { defaultProps: { openDelay: 300, events: { hover: true, focus: true, touch: true } } },
    // Links stand in running text as well, where colour alone would tell them.
    Anchor: { defaultProps: { underline: 'always' } },
    Code: { styles: { root: { backgroundColor: 'var(--synod-code)' } } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
    Modal: { defaultProps: { centered: true, radius: 'lg' }, styles: { title } },
    Drawer: { styles: { title } },
    Card: { defaultProps: { withBorder: true, radius: 'lg', padding: 'md' } },
  },
});

/** Dimmed text that meets 4.5:1 on every surface we use, and what commands and digests stand on, which differs from every surface. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#5c6370',
    '--mantine-color-error': '#b02525',
    '--mantine-color-body': '#fbfbfd',
    '--mantine-color-placeholder': '#6b7280',
    '--synod-code': 'var(--mantine-color-gray-1)',
  },
  dark: {
    '--mantine-color-dimmed': '#a6adb8',
    '--mantine-color-error': '#ff8787',
    '--mantine-color-placeholder': '#9aa1ab',
    '--synod-code': 'var(--mantine-color-dark-8)',
  },
});
