exports.main = (
