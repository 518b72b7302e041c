import { Page } from '../../components/page.js';
import { texts } from '../../texts/texts.js';

export default function WebhooksPage() {
  return <Page title={texts.pages.webhooks}>{null}</Page>;
}
