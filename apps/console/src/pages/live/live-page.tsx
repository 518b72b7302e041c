import { Page } from '../../components/page.js';
import { texts } from '../../texts/texts.js';

export default function LivePage() {
  return <Page title={texts.pages.live}>{null}</Page>;
}
