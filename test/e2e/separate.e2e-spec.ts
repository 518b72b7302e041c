import { startSeparate } from '../product.js';
import { productContract } from './product.contract.js';

productContract('the product as eight processes, over Kafka and PostgreSQL', () => startSeparate());
