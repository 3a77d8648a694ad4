"""The film about Evently, made by one command from the running system: `make film`.

script       what is shown and said, scene by scene (`script.toml`)
footage      what a browser and a terminal showed, with the moments at which sentences begin
scenes       who does what in each scene
pictures     a frame of the film: screens, frames around them, the sentence below
cutting      from footage and script to frames, subtitles and a file
"""
