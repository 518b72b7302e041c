import { startEmbedded } from '../product.js';
import { productContract } from './product.contract.js';

productContract('the product in one process, over its own database and bus', startEmbedded);
