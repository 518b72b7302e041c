import { createTheme, MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { queries } from '../api/queries.js';
import { AnnouncerProvider } from '../components/announcer.js';
import { router } from './router.js';

/** Nothing moves for people whose system asks for less motion. */
const THEME = createTheme({ respectReducedMotion: true });

/**
 * The library's style elements are switched off: the policy of the page permits styles from files only. Its variables come
 * with its style sheet.
 */
export function App() {
  return (
    <MantineProvider theme={THEME} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
      <QueryClientProvider client={queries}>
        <AnnouncerProvider>
          <RouterProvider router={router} />
        </AnnouncerProvider>
      </QueryClientProvider>
    </MantineProvider>
  );
}
