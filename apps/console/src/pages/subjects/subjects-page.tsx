import { Page } from '../../components/page.js';
import { texts } from '../../texts/texts.js';

export default function SubjectsPage() {
  return <Page title={texts.pages.subjects}>{null}</Page>;
}
