using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Turns the gradients of parameters without Kronecker structure into directions, as <see cref="OtherParameterOptions"/> say.</summary>
internal sealed class OtherParameters
{
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
    /// <param name="step">t, counting from 1.</param>
    /// <param name="directions">Laid out as the gradients.</param>
    public void Precondition(ParameterSet parameters, long step, VectorView<float> directions)
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
                Divide(gradient, _secondMoment.Slice(first, length), step, direction);
            }
            else
            {
                Elementwise.Axpby(_stream, (float)_options.Rate, AsRow(gradient), 0, AsRow(direction));
            }

            first += length;
        }
    }

    public void VisitState(IStateVisitor visitor)
    {
        if (!_secondMoment.IsEmpty)
        {
            visitor.Vector("otherParameters.secondMoment", _secondMoment);
        }
    }

    /// <summary>Adam's step of rate −1 from zero, without a first moment, is the direction.</summary>
    private void Divide(VectorView<float> gradient, VectorView<float> secondMoment, long step, VectorView<float> direction)
    {
        var adam = new AdamStep(
            LearningRate: -(float)_options.Rate,
            Beta1: 0,
            Beta2: (float)_options.SecondMomentDecay,
            Epsilon: (float)_options.Epsilon,
            WeightDecay: 0,
            FirstCorrection: 1,
            GradientCorrection: 0,
            SecondCorrection: (float)(1 / (1 - Math.Pow(_options.SecondMomentDecay, step))));
        VectorView<float> firstMoment = _firstMoment.Slice(0, gradient.Length);
        Elementwise.Fill(_stream, 0, AsRow(direction));
        Elementwise.Fill(_stream, 0, AsRow(firstMoment));
        ParameterUpdate.Adam(_stream, adam, gradient, firstMoment, secondMoment, direction);
    }

    private static MatrixView<float> AsRow(VectorView<float> vector) => vector.AsMatrix(1, vector.Length);
}
