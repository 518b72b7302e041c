import { Page } from '../../components/page.js';
import { texts } from '../../texts/texts.js';

export default function OverviewPage() {
  return <Page title={texts.pages.overview}>{null}</Page>;
}
