import { type ReactNode } from 'react';
import { Page } from '../../components/page.js';
import { texts } from '../../texts/texts.js';

export default function OverviewPage(): ReactNode {
  return <Page title={texts.pages.overview}>{null}</Page>;
}
