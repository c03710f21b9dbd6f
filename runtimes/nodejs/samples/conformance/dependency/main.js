'use strict';

// Answers with what only the library of package.json can know.
const { decode } = require('he');

exports.handle = () => ({ body: decode('Ko&zcaron;u&scaron;&ccaron;ek') });
