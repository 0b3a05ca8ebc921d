import random
import string

WORDS = """
    anchor basket candle dragon engine forest garden hammer island jungle
    kettle ladder mirror needle orange pencil quiver ribbon saddle tunnel
""".split()

GALLOWS = 8


def masked(word, guessed):
    return " ".join(letter if letter in guessed else "_" for letter in word)


def ask(prompt, guessed):
    while True:
        guess = input(prompt).strip().lower()
        if len(guess) != 1 or guess not in string.ascii_lowercase:
            print("One letter, please.")
        elif guess in guessed:
            print(f"You have tried {guess!r} already.")
        else:
            return guess


def play(word):
    guessed = set()
    mistakes = 0
    while mistakes < GALLOWS:
        print()
        print(masked(word, guessed))
        if all(letter in guessed for letter in word):
            print(f"Yes, with {mistakes} mistakes.")
            return True
        guess = ask("Your guess: ", guessed)
        guessed.add(guess)
        if guess not in word:
            mistakes += 1
            print(f"No {guess!r} in it; {GALLOWS - mistakes} mistakes left.")
    print(f"It was {word!r}.")
    return False


def main():
    won = lost = 0
    while True:
        if play(random.choice(WORDS)):
            won += 1
        else:
            lost += 1
        print(f"Won {won}, lost {lost}.")
        if input("Another one? [y/N] ").lower() not in ("y", "yes"):
            break


if __name__ == "__main__":
    try:
        main()
    except (KeyboardInterrupt, EOFError):
        print()
