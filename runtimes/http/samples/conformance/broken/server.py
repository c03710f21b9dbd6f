def serve(:
