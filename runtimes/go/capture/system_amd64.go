package capture

const sysMemfdCreate = 319
