export { createClusterTemplate as default } from './cluster-template';
