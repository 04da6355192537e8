"""Where the files of pictures lie: in a folder, or in an object store that machines share."""
