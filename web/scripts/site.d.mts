export const site: string;
