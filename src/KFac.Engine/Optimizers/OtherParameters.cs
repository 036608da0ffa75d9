using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Turns the gradients of parameters without Kronecker structure into directions, as <see cref="OtherParameterOptions"/> say.</summary>
internal sealed class OtherParameters
{
    /// <summary>How many numbers change from step to step.</summary>
    public const int Numbers = 4;

    private readonly DeviceStream _stream;
    private readonly OtherParameterOptions _options;
    private readonly VectorView<float> _secondMoment;
    private readonly VectorView<float> _firstMoment;

    public OtherParameters(DeviceStream stream, Arena arena, IReadOnlyList<ParameterBlock> blocks, OtherParameterOptions options)
    {
        _stream = stream;
        _options = options;
        ParameterBlock[] own = [.. blocks.Where(static block => block.Layer < 0)];
        if (options.Rule == OtherParameterRule.Diagonal && own.Length > 0)
        {
            _firstMoment = arena.Vector<float>(own.Max(static block => block.Rows * block.Columns));
            _secondMoment = arena.Vector<float>(own.Sum(static block => block.Rows * block.Columns));
            Elementwise.Fill(stream, 0, _secondMoment.AsMatrix(1, _secondMoment.Length));
        }
    }

    /// <summary>Writes the directions of all blocks without a layer.</summary>
    /// <param name="numbers">[<see cref="Numbers"/>], as <see cref="Write"/> has written them for this step.</param>
    /// <param name="directions">Laid out as the gradients.</param>
    public void Precondition(ParameterSet parameters, VectorView<double> numbers, VectorView<float> directions)
    {
        int first = 0;
        for (int i = 0; i < parameters.Blocks.Count; i++)
        {
            ParameterBlock block = parameters.Blocks[i];
            if (block.Layer >= 0)
            {
                continue;
            }

            int length = block.Rows * block.Columns;
            VectorView<float> gradient = parameters.Gradients.Slice(block.Offset, length);
            VectorView<float> direction = directions.Slice(block.Offset, length);
            if (_options.Rule == OtherParameterRule.Diagonal)
            {
                Divide(gradient, _secondMoment.Slice(first, length), numbers, direction);
            }
            else
            {
                Elementwise.Axpby(_stream, (float)_options.Rate, AsRow(gradient), 0, AsRow(direction));
            }

            first += length;
        }
    }

    /// <summary>Writes the numbers of a step.</summary>
    /// <param name="step">t, counting from 1.</param>
    /// <param name="first">Where they begin.</param>
    public void Write(long step, StepNumbers numbers, int first)
    {
        numbers[first] = -_options.Rate;
        numbers[first + 1] = 1;
        numbers[first + 2] = 0;
        numbers[first + 3] = 1 / (1 - Math.Pow(_options.SecondMomentDecay, step));
    }

    public void VisitState(IStateVisitor visitor)
    {
        if (!_secondMoment.IsEmpty)
        {
            visitor.Vector("otherParameters.secondMoment", _secondMoment);
        }
    }

    /// <summary>Adam's step of rate −1 from zero, without a first moment, is the direction; rate and corrections are among the numbers.</summary>
    private void Divide(VectorView<float> gradient, VectorView<float> secondMoment, VectorView<double> numbers, VectorView<float> direction)
    {
        var adam = new AdamStep(
            LearningRate: 0,
            Beta1: 0,
            Beta2: (float)_options.SecondMomentDecay,
            Epsilon: (float)_options.Epsilon,
            WeightDecay: 0,
            FirstCorrection: 0,
            GradientCorrection: 0,
            SecondCorrection: 0);
        VectorView<float> firstMoment = _firstMoment.Slice(0, gradient.Length);
        Elementwise.Fill(_stream, 0, AsRow(direction));
        Elementwise.Fill(_stream, 0, AsRow(firstMoment));
        ParameterUpdate.Adam(_stream, adam, gradient, firstMoment, secondMoment, direction, numbers);
    }

    private static MatrixView<float> AsRow(VectorView<float> vector) => vector.AsMatrix(1, vector.Length);
}
