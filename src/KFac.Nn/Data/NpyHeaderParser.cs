using System.Globalization;

namespace KFac.Nn;

/// <summary>Parses the Python dictionary literal of a <c>.npy</c> header.</summary>
/// <remarks>Takes exactly the keys <c>descr</c>, <c>fortran_order</c> and <c>shape</c>, in any order and spacing, either
/// kind of quote, with or without trailing commas.</remarks>
internal ref struct NpyHeaderParser
{
    private readonly string _name;
    private readonly ReadOnlySpan<char> _text;
    private int _position;

    private NpyHeaderParser(ReadOnlySpan<char> text, string name)
    {
        _text = text;
        _name = name;
    }

    /// <exception cref="InvalidDataException">Names the file, what was found and what was wanted.</exception>
    public static NpyHeader Parse(ReadOnlySpan<char> text, string name) => new NpyHeaderParser(text, name).ParseDictionary();

    private NpyHeader ParseDictionary()
    {
        NpyElementType? type = null;
        bool? fortranOrder = null;
        List<int>? shape = null;
        Expect('{');
        while (!TryTake('}'))
        {
            string key = ParseString();
            Expect(':');
            switch (key)
            {
                case "descr" when type is null:
                    type = ParseType();
                    break;
                case "fortran_order" when fortranOrder is null:
                    fortranOrder = ParseBoolean();
                    break;
                case "shape" when shape is null:
                    shape = ParseShape();
                    break;
                default:
                    throw Malformed($"the key '{key}' is unknown or given twice");
            }

            if (!TryTake(','))
            {
                Expect('}');
                break;
            }
        }

        SkipSpace();
        if (_position < _text.Length)
        {
            throw Malformed("text follows the dictionary");
        }

        if (type is null || fortranOrder is null || shape is null)
        {
            throw Malformed("it lacks one of the keys descr, fortran_order and shape");
        }

        return fortranOrder.Value
            ? throw new InvalidDataException($"{_name} is in Fortran order; wanted C order (save it with numpy.ascontiguousarray).")
            : MakeHeader(type.Value, shape);
    }

    private readonly NpyHeader MakeHeader(NpyElementType type, List<int> shape)
    {
        try
        {
            return new NpyHeader(type, [.. shape]);
        }
        catch (ArgumentException exception)
        {
            throw new InvalidDataException($"{_name} has too many elements, shape {NpyHeader.FormatShape(shape)}; wanted at most {int.MaxValue}.", exception);
        }
    }

    private NpyElementType ParseType()
    {
        SkipSpace();
        string found = Peek() is '\'' or '"' ? ParseString() : "a structured type";
        return found switch
        {
            "<f4" => NpyElementType.Float32,
            "<f8" => NpyElementType.Float64,
            "<i4" => NpyElementType.Int32,
            "<i8" => NpyElementType.Int64,
            _ => throw new InvalidDataException($"{_name} holds elements of type '{found}'; wanted little-endian <f4, <f8, <i4 or <i8."),
        };
    }

    private bool ParseBoolean()
    {
        SkipSpace();
        if (_text[_position..].StartsWith("False"))
        {
            _position += "False".Length;
            return false;
        }

        if (_text[_position..].StartsWith("True"))
        {
            _position += "True".Length;
            return true;
        }

        throw Malformed("fortran_order is neither True nor False");
    }

    private List<int> ParseShape()
    {
        var shape = new List<int>();
        Expect('(');
        while (!TryTake(')'))
        {
            shape.Add(ParseDimension());
            if (!TryTake(','))
            {
                Expect(')');
                break;
            }
        }

        return shape;
    }

    private int ParseDimension()
    {
        SkipSpace();
        int start = _position;
        while (char.IsAsciiDigit(Peek()))
        {
            _position++;
        }

        ReadOnlySpan<char> digits = _text[start.._position];
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int size)
            ? size
            : throw Malformed($"a dimension of its shape is not a whole number from 0 to {int.MaxValue}");
    }

    private string ParseString()
    {
        SkipSpace();
        char quote = Peek();
        if (quote is not ('\'' or '"'))
        {
            throw Malformed("a quoted string is missing");
        }

        int length = _text[(_position + 1)..].IndexOf(quote);
        if (length < 0)
        {
            throw Malformed("a quoted string does not end");
        }

        string value = _text.Slice(_position + 1, length).ToString();
        _position += length + 2;
        return value;
    }

    private void Expect(char wanted)
    {
        if (!TryTake(wanted))
        {
            throw Malformed($"'{wanted}' is missing");
        }
    }

    private bool TryTake(char wanted)
    {
        SkipSpace();
        if (Peek() != wanted)
        {
            return false;
        }

        _position++;
        return true;
    }

    private readonly char Peek() => _position < _text.Length ? _text[_position] : '\0';

    private void SkipSpace()
    {
        while (Peek() is ' ' or '\n' or '\t' or '\r')
        {
            _position++;
        }
    }

    private readonly InvalidDataException Malformed(string problem) =>
        new($"{_name} has a malformed .npy header: {problem} (at character {_position}).");
}
