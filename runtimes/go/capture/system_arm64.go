package capture

const sysMemfdCreate = 279
