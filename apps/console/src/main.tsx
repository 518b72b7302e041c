import '@mantine/core/styles.css';
import './shell/theme.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './shell/app.js';

const element = document.getElementById('page');
if (element === null) throw new Error('The document has no element for the page.');
createRoot(element).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
